-- State-changing requests that were accepted: the second wall against a replay, for when the windows' store forgot, failed over or was
-- away. No organization, no content: a key's id and part of the request's MAC. Rows go ten minutes after they came.
create table accepted_requests (
  key_id text not null,
  replay_id text not null,
  expires_at timestamptz not null,
  primary key (key_id, replay_id)
);
--> statement-breakpoint
create index accepted_requests_by_expiry on accepted_requests (expires_at);
--> statement-breakpoint
-- update of one column only so that rows to clear can be locked past each other.
grant select, insert, delete, update (expires_at) on accepted_requests to flowbeacon_system;
