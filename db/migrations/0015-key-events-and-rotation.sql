-- The rotation of a key: which one takes its place, since when, and until when the old one works on. Its `expires_at` ends it then, which
-- an older version of the service obeys as well.
alter table api_keys
  add column replaces text,
  add column replaced_by text,
  add column replaced_at timestamptz,
  add column grace_until timestamptz;
--> statement-breakpoint
alter table api_keys add constraint api_keys_grace check ((replaced_by is null) = (replaced_at is null) and (replaced_by is null) = (grace_until is null)) not valid;
--> statement-breakpoint
alter table api_keys validate constraint api_keys_grace;
--> statement-breakpoint
grant update (name, ip_allowlist, per_minute, per_hour, expires_at, replaced_by, replaced_at, grace_until) on api_keys to flowbeacon_app;
--> statement-breakpoint
-- An audit row can always name its key.
create function refuse_key_deletion () returns trigger language plpgsql as $$
begin
  raise exception 'keys are never deleted, only revoked' using errcode = 'insufficient_privilege';
end $$;
--> statement-breakpoint
create trigger api_keys_never_deleted before delete or truncate on api_keys for each statement execute function refuse_key_deletion();
--> statement-breakpoint
-- What was done to a key: by whom, why, and what it was before and after. Append-only.
create table key_events (
  id text primary key,
  org_id text not null references organizations (id),
  key_id text not null references api_keys (id),
  at timestamptz not null,
  actor text not null,
  action text not null check (action in ('created', 'rotated', 'changed', 'suspended', 'resumed', 'revoked', 'expires_soon')),
  reason text,
  before jsonb,
  after jsonb,
  -- The answer that told the actor, where there was one.
  watermark text,
  -- With `expires_soon`: days before the expiry.
  notice_days integer,
  recorded_at timestamptz not null default now(),
  check ((action = 'expires_soon') = (notice_days is not null))
);
--> statement-breakpoint
create index key_events_by_key on key_events (org_id, key_id, id desc);
--> statement-breakpoint
create unique index key_events_notices on key_events (key_id, notice_days) where notice_days is not null;
--> statement-breakpoint
create function refuse_key_event_change () returns trigger language plpgsql as $$
begin
  raise exception 'the history of keys is append-only' using errcode = 'insufficient_privilege';
end $$;
--> statement-breakpoint
create trigger key_events_append_only before update or delete or truncate on key_events for each statement execute function refuse_key_event_change();
--> statement-breakpoint
grant select, insert on key_events to flowbeacon_app, flowbeacon_system;
--> statement-breakpoint
alter table key_events enable row level security;
--> statement-breakpoint
alter table key_events force row level security;
--> statement-breakpoint
create policy own_organization on key_events to flowbeacon_app using (org_id = current_setting('app.org_id', true)) with check (org_id = current_setting('app.org_id', true));
--> statement-breakpoint
create policy across_organizations on key_events to flowbeacon_system using (true) with check (true);
