create table suppressions (
  id text primary key,
  org_id text not null references organizations (id),
  code text not null check (code ~ '^[A-Z]{3}-[0-9]{3}$'),
  scenario_id text references scenarios (id),
  fingerprint text check (fingerprint ~ '^[0-9a-f]{32}$'),
  reason text not null check (length(btrim(reason)) between 1 and 500),
  created_by text not null,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  approved_by text,
  approved_at timestamptz,
  withdrawn_by text,
  withdrawn_at timestamptz,
  check (expires_at > created_at and expires_at <= created_at + interval '366 days'),
  check (scenario_id is null or fingerprint is null),
  check ((approved_by is null) = (approved_at is null) and approved_by <> created_by),
  check ((withdrawn_by is null) = (withdrawn_at is null))
);
--> statement-breakpoint
create index suppressions_by_organization on suppressions (org_id, id desc);
--> statement-breakpoint
create index suppressions_by_expiry on suppressions (org_id, expires_at);
--> statement-breakpoint
grant select, insert, update (approved_by, approved_at, withdrawn_by, withdrawn_at) on suppressions to flowbeacon_app;
--> statement-breakpoint
grant select on suppressions to flowbeacon_system;
--> statement-breakpoint
alter table suppressions enable row level security;
--> statement-breakpoint
alter table suppressions force row level security;
--> statement-breakpoint
create policy own_organization on suppressions to flowbeacon_app using (org_id = current_setting('app.org_id', true)) with check (org_id = current_setting('app.org_id', true));
--> statement-breakpoint
create policy across_organizations on suppressions to flowbeacon_system using (true) with check (true);
--> statement-breakpoint
-- What a rollup needs of a result, beside it: reading whole results for it costs three times as much. Null in rows that are older.
alter table evaluation_items add column standing jsonb;
