drop table anomaly_events;
--> statement-breakpoint
create table anomaly_events (
  id bigint generated always as identity primary key,
  at timestamptz not null,
  signal text not null,
  subject text not null,
  severity text not null check (severity in ('critical', 'high', 'medium', 'low')),
  is_certain boolean not null,
  org_id text,
  key_id text,
  numbers jsonb not null,
  threshold jsonb not null,
  watermarks jsonb not null,
  ip inet,
  user_agent text,
  label text,
  action text not null default 'none' check (action in ('none', 'suspended', 'would_suspend', 'declined_last_key', 'not_active')),
  recorded_at timestamptz not null default now()
);
--> statement-breakpoint
create index anomaly_events_by_subject on anomaly_events (subject, signal, at desc);
--> statement-breakpoint
create index anomaly_events_by_key on anomaly_events (key_id, at desc);
--> statement-breakpoint
-- Rows arrive in the order of time, so a few summary pages find a span of it; inserts pay almost nothing.
create index audit_rows_by_time on audit_rows using brin (at) with (pages_per_range = 16, autosummarize = on);
--> statement-breakpoint
create table leases (
  name text primary key,
  holder text not null,
  until timestamptz not null
);
--> statement-breakpoint
alter table api_keys add column canary_label text, add column suspended_at timestamptz, add column suspended_reason text,
  add constraint canary_keys_are_dead check (canary_label is null or state in ('inactive', 'revoked'));
--> statement-breakpoint
grant select, insert, update (action) on anomaly_events to flowbeacon_system;
--> statement-breakpoint
grant select, insert, update on leases to flowbeacon_system;
--> statement-breakpoint
alter table anomaly_events enable row level security;
--> statement-breakpoint
alter table anomaly_events force row level security;
--> statement-breakpoint
create policy across_organizations on anomaly_events to flowbeacon_system using (true) with check (true);
