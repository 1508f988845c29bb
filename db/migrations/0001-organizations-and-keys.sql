create table organizations (
  id text primary key,
  name text not null check (length(name) between 1 and 200),
  created_at timestamptz not null default now()
);
--> statement-breakpoint
create table api_keys (
  id text primary key,
  org_id text not null references organizations (id),
  name text not null,
  prefix text not null check (length(prefix) = 12),
  digest bytea not null unique check (length(digest) = 32),
  permissions text[] not null check (permissions <@ array['governance:read', 'governance:evaluate', 'admin']),
  ip_allowlist text[] not null default '{}',
  per_minute integer not null check (per_minute between 1 and 100000),
  per_hour integer not null check (per_hour between 1 and 100000),
  state text not null default 'active' check (state in ('active', 'inactive', 'suspended', 'revoked')),
  expires_at timestamptz,
  created_by text not null,
  created_at timestamptz not null default now(),
  revoked_at timestamptz,
  revoked_by text,
  revoked_reason text,
  check ((state = 'revoked') = (revoked_at is not null))
);
--> statement-breakpoint
create index api_keys_by_organization on api_keys (org_id, id);
