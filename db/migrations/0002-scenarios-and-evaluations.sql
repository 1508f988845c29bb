create table scenarios (
  id text primary key,
  org_id text not null references organizations (id),
  name text not null,
  platform text not null check (platform in ('make', 'n8n')),
  modules integer not null,
  graph jsonb not null,
  source_digest text not null,
  created_at timestamptz not null default now()
);
--> statement-breakpoint
create index scenarios_by_organization on scenarios (org_id, id desc);
--> statement-breakpoint
create table evaluations (
  id text primary key,
  org_id text not null references organizations (id),
  key_id text not null,
  state text not null default 'pending' check (state in ('pending', 'processing', 'complete', 'error')),
  total integer not null,
  idempotency_key text,
  request_digest text,
  attempt integer not null default 0,
  lease_worker text,
  lease_until timestamptz,
  error text,
  created_at timestamptz not null default now(),
  completed_at timestamptz,
  check ((state in ('complete', 'error')) = (completed_at is not null))
);
--> statement-breakpoint
create unique index evaluations_by_idempotency_key on evaluations (org_id, idempotency_key) where idempotency_key is not null;
--> statement-breakpoint
create index evaluations_open on evaluations (created_at) where state in ('pending', 'processing');
--> statement-breakpoint
create table evaluation_items (
  evaluation_id text not null references evaluations (id),
  org_id text not null,
  position integer not null,
  scenario_id text not null,
  name text not null,
  graph jsonb,
  result jsonb,
  error text,
  finished_at timestamptz,
  primary key (evaluation_id, position)
);
--> statement-breakpoint
create index evaluation_items_by_scenario on evaluation_items (org_id, scenario_id, finished_at desc);
--> statement-breakpoint
create table redemptions (
  jti text primary key,
  org_id text not null,
  evaluation_id text not null,
  watermark text not null,
  at timestamptz not null default now()
);
