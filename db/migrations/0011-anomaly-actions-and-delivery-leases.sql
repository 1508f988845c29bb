-- outside a transaction: an index is built while deliveries go on. Each statement may be run again after it broke off.
-- What auto-suspend would have done, had it been on, is told as exactly as what it did.
alter table anomaly_events drop constraint if exists anomaly_events_action_check,
  add constraint anomaly_events_action_check check (action in ('none', 'suspended', 'declined_last_key', 'not_active', 'would_suspend', 'would_decline_last_key')) not valid;
--> statement-breakpoint
alter table anomaly_events validate constraint anomaly_events_action_check;
--> statement-breakpoint
drop index concurrently if exists webhook_deliveries_underway;
--> statement-breakpoint
-- What is under way is counted for each claim, and is few beside what waits.
create index concurrently webhook_deliveries_underway on webhook_deliveries (org_id, subscription_id) where state = 'delivering';
