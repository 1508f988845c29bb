create table kill_switch_events (
  id text primary key,
  target text not null check (target ~ '^(all|(org|key):[A-Za-z0-9_-]{1,64})$'),
  version bigint not null check (version > 0),
  kind text not null check (kind in ('on', 'off', 'drill')),
  writes_only boolean not null,
  reason text not null check (length(btrim(reason)) between 1 and 200),
  actor text not null,
  at timestamptz not null,
  until timestamptz,
  detail jsonb,
  recorded_at timestamptz not null default now(),
  check (until is null or (kind = 'on' and until > at))
);
--> statement-breakpoint
create index kill_switch_events_by_target on kill_switch_events (target, version desc) where kind <> 'drill';
--> statement-breakpoint
create index kill_switch_events_by_version on kill_switch_events (version desc);
--> statement-breakpoint
create function refuse_kill_switch_change () returns trigger language plpgsql as $$
begin
  raise exception 'the history of the kill switch is append-only' using errcode = 'insufficient_privilege';
end $$;
--> statement-breakpoint
create trigger kill_switch_events_append_only before update or delete on kill_switch_events for each row execute function refuse_kill_switch_change();
--> statement-breakpoint
-- Rewritten once a second by each instance: half of each page stays free, so that a new version of a row finds room beside the old one.
create table instances (
  id text not null,
  boot text not null,
  report jsonb not null,
  seen_at timestamptz not null,
  primary key (id, boot)
) with (fillfactor = 50);
--> statement-breakpoint
grant select, insert on kill_switch_events to flowbeacon_system;
--> statement-breakpoint
grant select, insert, update, delete on instances to flowbeacon_system;
--> statement-breakpoint
alter table kill_switch_events enable row level security;
--> statement-breakpoint
alter table kill_switch_events force row level security;
--> statement-breakpoint
create policy across_organizations on kill_switch_events to flowbeacon_system using (true) with check (true);
--> statement-breakpoint
alter table instances enable row level security;
--> statement-breakpoint
alter table instances force row level security;
--> statement-breakpoint
create policy across_organizations on instances to flowbeacon_system using (true) with check (true);
