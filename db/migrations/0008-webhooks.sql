create table webhook_subscriptions (
  id text primary key,
  org_id text not null references organizations (id),
  url text not null,
  events text[] not null,
  description text,
  is_active boolean not null default true,
  sealed_secret text,
  created_by text not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  disabled_at timestamptz,
  disabled_reason text check (disabled_reason in ('owner', 'failing')),
  failing_since timestamptz,
  exhausted_count integer not null default 0,
  last_success_at timestamptz,
  last_probe_at timestamptz,
  deleted_at timestamptz,
  check (is_active = (disabled_at is null) and (disabled_at is null) = (disabled_reason is null)),
  check ((deleted_at is null) = (sealed_secret is not null))
);
--> statement-breakpoint
create index webhook_subscriptions_by_organization on webhook_subscriptions (org_id) where deleted_at is null;
--> statement-breakpoint
create table webhook_deliveries (
  id text primary key,
  org_id text not null,
  subscription_id text not null references webhook_subscriptions (id),
  message_id text not null,
  event text not null,
  evaluation_id text,
  subject jsonb,
  watermark text not null unique,
  replay_of text,
  state text not null default 'pending' check (state in ('pending', 'delivering', 'delivered', 'failed', 'cancelled')),
  attempts jsonb not null default '[]',
  attempts_max integer not null,
  claims integer not null default 0,
  next_attempt_at timestamptz not null default now(),
  lease text,
  lease_until timestamptz,
  created_at timestamptz not null default now(),
  finished_at timestamptz,
  check ((state in ('delivered', 'failed', 'cancelled')) = (finished_at is not null)),
  check ((state = 'delivering') = (lease is not null))
);
--> statement-breakpoint
create index webhook_deliveries_open on webhook_deliveries (subscription_id, next_attempt_at) where state in ('pending', 'delivering');
--> statement-breakpoint
create index webhook_deliveries_log on webhook_deliveries (subscription_id, id desc);
--> statement-breakpoint
create index webhook_deliveries_finished on webhook_deliveries (finished_at) where finished_at is not null;
--> statement-breakpoint
grant select, insert, update on webhook_subscriptions to flowbeacon_app;
--> statement-breakpoint
grant select, insert, update (state, finished_at, lease, lease_until) on webhook_deliveries to flowbeacon_app;
--> statement-breakpoint
grant select, update on webhook_subscriptions to flowbeacon_system;
--> statement-breakpoint
grant select, insert, update, delete on webhook_deliveries to flowbeacon_system;
--> statement-breakpoint
alter table webhook_subscriptions enable row level security;
--> statement-breakpoint
alter table webhook_subscriptions force row level security;
--> statement-breakpoint
create policy own_organization on webhook_subscriptions to flowbeacon_app using (org_id = current_setting('app.org_id', true)) with check (org_id = current_setting('app.org_id', true));
--> statement-breakpoint
create policy across_organizations on webhook_subscriptions to flowbeacon_system using (true) with check (true);
--> statement-breakpoint
alter table webhook_deliveries enable row level security;
--> statement-breakpoint
alter table webhook_deliveries force row level security;
--> statement-breakpoint
create policy own_organization on webhook_deliveries to flowbeacon_app using (org_id = current_setting('app.org_id', true)) with check (org_id = current_setting('app.org_id', true));
--> statement-breakpoint
create policy across_organizations on webhook_deliveries to flowbeacon_system using (true) with check (true);
