-- Who asked, where it was no key: `session:<sub>` of a person at the console. An older version of the service leaves it null.
alter table audit_rows add column actor text;
--> statement-breakpoint
-- A new signing secret and a time of explained refusals are part of a key's history. An older version writes none of them, and reads any action.
alter table key_events drop constraint key_events_action_check;
--> statement-breakpoint
alter table key_events add constraint key_events_action_check
  check (action in ('created', 'rotated', 'changed', 'suspended', 'resumed', 'revoked', 'expires_soon', 'signing_secret_rotated', 'debug_changed')) not valid;
--> statement-breakpoint
alter table key_events validate constraint key_events_action_check;
