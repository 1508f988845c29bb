-- What each stored scenario does with each connection, beside its graph: asked for at every judgement and every rollup, of one organization.
create table scenario_connections (
  org_id text not null references organizations (id),
  scenario_id text not null references scenarios (id),
  scenario_name text not null,
  platform text not null check (platform in ('make', 'n8n')),
  connection text not null check (length(connection) between 1 and 80),
  writes boolean not null,
  consequential boolean not null,
  primary key (scenario_id, connection)
);
--> statement-breakpoint
create index scenario_connections_by_connection on scenario_connections (org_id, platform, connection);
--> statement-breakpoint
-- Null: the defaults of the catalogue.
alter table organizations add column governance_options jsonb check (jsonb_typeof(governance_options) = 'object');
--> statement-breakpoint
grant select, insert on scenario_connections to flowbeacon_app;
--> statement-breakpoint
grant select, insert on scenario_connections to flowbeacon_system;
--> statement-breakpoint
grant update (governance_options) on organizations to flowbeacon_system;
--> statement-breakpoint
alter table scenario_connections enable row level security;
--> statement-breakpoint
alter table scenario_connections force row level security;
--> statement-breakpoint
create policy own_organization on scenario_connections to flowbeacon_app using (org_id = current_setting('app.org_id', true)) with check (org_id = current_setting('app.org_id', true));
--> statement-breakpoint
create policy across_organizations on scenario_connections to flowbeacon_system using (true) with check (true);
