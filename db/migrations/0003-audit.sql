create table audit_rows (
  watermark text not null,
  at timestamptz not null,
  org_id text,
  key_id text,
  key_prefix text,
  method text not null,
  route text not null,
  path_hash text not null,
  status integer not null,
  code text,
  reason text,
  ip inet not null,
  user_agent text,
  instance text not null,
  degraded boolean not null,
  jti text,
  primary key (watermark, at)
) partition by range (at);
--> statement-breakpoint
create table audit_rows_default partition of audit_rows default;
--> statement-breakpoint
create index audit_rows_by_organization on audit_rows (org_id, at desc);
--> statement-breakpoint
create function ensure_audit_partitions (months_ahead integer) returns void
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  first_day date;
begin
  for month in 0..months_ahead loop
    first_day := date_trunc('month', now() at time zone 'UTC')::date + make_interval(months => month);
    if to_regclass(format('audit_rows_%s', to_char(first_day, 'YYYY_MM'))) is null then
      execute format('create table %I partition of audit_rows for values from (%L) to (%L)',
        'audit_rows_' || to_char(first_day, 'YYYY_MM'), first_day::text || ' 00:00+00', (first_day + interval '1 month')::date::text || ' 00:00+00');
    end if;
  end loop;
end $$;
--> statement-breakpoint
select ensure_audit_partitions(12);
--> statement-breakpoint
create function refuse_audit_change () returns trigger language plpgsql as $$
begin
  raise exception 'audit rows are append-only' using errcode = 'insufficient_privilege';
end $$;
--> statement-breakpoint
create trigger audit_rows_append_only before update or delete on audit_rows for each row execute function refuse_audit_change();
--> statement-breakpoint
create table refusal_counts (
  minute timestamptz not null,
  network text not null,
  code text not null,
  count bigint not null,
  primary key (minute, network, code)
);
--> statement-breakpoint
create table anomaly_events (
  id bigint generated always as identity primary key,
  org_id text not null,
  key_id text not null,
  signal text not null,
  severity text not null check (severity in ('high', 'medium', 'low')),
  at timestamptz not null,
  count integer not null,
  threshold integer not null,
  window_ms integer not null,
  watermarks jsonb not null,
  action text not null check (action in ('suspended', 'would_suspend', 'none'))
);
