-- Two roles without login and without the right to bypass row-level security. Roles belong to the whole cluster, so another
-- database may have made them a moment ago.
do $$ begin
  create role flowbeacon_app nologin nobypassrls;
exception when duplicate_object or unique_violation then null;
end $$;
--> statement-breakpoint
do $$ begin
  create role flowbeacon_system nologin nobypassrls;
exception when duplicate_object or unique_violation then null;
end $$;
--> statement-breakpoint
grant flowbeacon_app, flowbeacon_system to current_user;
--> statement-breakpoint
grant usage on schema public to flowbeacon_app, flowbeacon_system;
--> statement-breakpoint
grant select on organizations to flowbeacon_app;
--> statement-breakpoint
grant select, insert, update (state, revoked_at, revoked_by, revoked_reason) on api_keys to flowbeacon_app;
--> statement-breakpoint
grant select, insert on scenarios to flowbeacon_app;
--> statement-breakpoint
grant select, insert on evaluations to flowbeacon_app;
--> statement-breakpoint
grant select, insert on evaluation_items to flowbeacon_app;
--> statement-breakpoint
grant select, insert, delete on redemptions to flowbeacon_app;
--> statement-breakpoint
grant select on audit_rows to flowbeacon_app;
--> statement-breakpoint
grant select on anomaly_events to flowbeacon_app;
--> statement-breakpoint
grant select, insert on organizations to flowbeacon_system;
--> statement-breakpoint
grant select, insert, update on api_keys to flowbeacon_system;
--> statement-breakpoint
grant select, insert on scenarios to flowbeacon_system;
--> statement-breakpoint
grant select, update on evaluations to flowbeacon_system;
--> statement-breakpoint
grant select, update on evaluation_items to flowbeacon_system;
--> statement-breakpoint
grant select on redemptions to flowbeacon_system;
--> statement-breakpoint
grant select, insert on audit_rows to flowbeacon_system;
--> statement-breakpoint
grant select, insert on anomaly_events to flowbeacon_system;
--> statement-breakpoint
grant select, insert, update on refusal_counts to flowbeacon_system;
--> statement-breakpoint
revoke execute on function ensure_audit_partitions (integer) from public;
--> statement-breakpoint
grant execute on function ensure_audit_partitions (integer) to flowbeacon_system;
--> statement-breakpoint
alter table organizations enable row level security;
--> statement-breakpoint
alter table organizations force row level security;
--> statement-breakpoint
create policy own_organization on organizations to flowbeacon_app using (id = current_setting('app.org_id', true)) with check (id = current_setting('app.org_id', true));
--> statement-breakpoint
create policy across_organizations on organizations to flowbeacon_system using (true) with check (true);
--> statement-breakpoint
alter table api_keys enable row level security;
--> statement-breakpoint
alter table api_keys force row level security;
--> statement-breakpoint
create policy own_organization on api_keys to flowbeacon_app using (org_id = current_setting('app.org_id', true)) with check (org_id = current_setting('app.org_id', true));
--> statement-breakpoint
create policy across_organizations on api_keys to flowbeacon_system using (true) with check (true);
--> statement-breakpoint
alter table scenarios enable row level security;
--> statement-breakpoint
alter table scenarios force row level security;
--> statement-breakpoint
create policy own_organization on scenarios to flowbeacon_app using (org_id = current_setting('app.org_id', true)) with check (org_id = current_setting('app.org_id', true));
--> statement-breakpoint
create policy across_organizations on scenarios to flowbeacon_system using (true) with check (true);
--> statement-breakpoint
alter table evaluations enable row level security;
--> statement-breakpoint
alter table evaluations force row level security;
--> statement-breakpoint
create policy own_organization on evaluations to flowbeacon_app using (org_id = current_setting('app.org_id', true)) with check (org_id = current_setting('app.org_id', true));
--> statement-breakpoint
create policy across_organizations on evaluations to flowbeacon_system using (true) with check (true);
--> statement-breakpoint
alter table evaluation_items enable row level security;
--> statement-breakpoint
alter table evaluation_items force row level security;
--> statement-breakpoint
create policy own_organization on evaluation_items to flowbeacon_app using (org_id = current_setting('app.org_id', true)) with check (org_id = current_setting('app.org_id', true));
--> statement-breakpoint
create policy across_organizations on evaluation_items to flowbeacon_system using (true) with check (true);
--> statement-breakpoint
alter table redemptions enable row level security;
--> statement-breakpoint
alter table redemptions force row level security;
--> statement-breakpoint
create policy own_organization on redemptions to flowbeacon_app using (org_id = current_setting('app.org_id', true)) with check (org_id = current_setting('app.org_id', true));
--> statement-breakpoint
create policy across_organizations on redemptions to flowbeacon_system using (true) with check (true);
--> statement-breakpoint
alter table audit_rows enable row level security;
--> statement-breakpoint
alter table audit_rows force row level security;
--> statement-breakpoint
create policy own_organization on audit_rows to flowbeacon_app using (org_id = current_setting('app.org_id', true)) with check (org_id = current_setting('app.org_id', true));
--> statement-breakpoint
create policy across_organizations on audit_rows to flowbeacon_system using (true) with check (true);
--> statement-breakpoint
alter table anomaly_events enable row level security;
--> statement-breakpoint
alter table anomaly_events force row level security;
--> statement-breakpoint
create policy own_organization on anomaly_events to flowbeacon_app using (org_id = current_setting('app.org_id', true)) with check (org_id = current_setting('app.org_id', true));
--> statement-breakpoint
create policy across_organizations on anomaly_events to flowbeacon_system using (true) with check (true);
