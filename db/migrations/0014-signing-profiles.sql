-- How requests of a key are signed. A hardened key has a signing secret of its own, sealed under the master key, and for a time after its
-- rotation the one before. `debug_until`: until then a refused signature's audit row says what differed.
alter table api_keys
  add column signing_profile text not null default 'published',
  add column sealed_signing_secret text,
  add column sealed_previous_signing_secret text,
  add column previous_signing_secret_until timestamptz,
  add column debug_until timestamptz;
--> statement-breakpoint
alter table api_keys
  add constraint api_keys_signing_profile check (signing_profile in ('published', 'hardened')) not valid,
  add constraint api_keys_signing_secret check ((signing_profile = 'hardened') = (sealed_signing_secret is not null)) not valid,
  add constraint api_keys_previous_signing_secret check (sealed_previous_signing_secret is null or (sealed_signing_secret is not null and previous_signing_secret_until is not null)) not valid;
--> statement-breakpoint
alter table api_keys validate constraint api_keys_signing_profile;
--> statement-breakpoint
alter table api_keys validate constraint api_keys_signing_secret;
--> statement-breakpoint
alter table api_keys validate constraint api_keys_previous_signing_secret;
--> statement-breakpoint
grant update (sealed_signing_secret, sealed_previous_signing_secret, previous_signing_secret_until) on api_keys to flowbeacon_app;
