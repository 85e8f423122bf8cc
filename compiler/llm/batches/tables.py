"""The tables of the batch journal."""

SCHEMA = """
create table if not exists run (nonce text not null);
create table if not exists purpose (id integer primary key, value blob not null unique);
create table if not exists shape (endpoint text, digest text, primary key (endpoint, digest));
create table if not exists shard (
  id integer primary key,
  endpoint text not null,
  label text not null,
  state text not null,
  n integer not null,
  bytes integer not null,
  sha256 text not null,
  expected_usd real not null,
  attempt integer not null,
  sends integer not null default 0,
  batch_id text unique,
  sent_at real,
  created_at real,
  expires_at real,
  next_at real not null default 0,
  looks integer not null default 0,
  cuts integer not null default 0,
  note text not null default '',
  outcomes blob
);
create table if not exists request (
  shard integer not null, ordinal integer not null,
  key blob not null, purpose integer not null,
  at integer not null, size integer not null,
  primary key (shard, ordinal)
) without rowid;
create index if not exists request_key on request (key);
create table if not exists suspect (
  batch_id text primary key, endpoint text not null, shard integer not null,
  verdict text not null, usd real not null default 0
);
create table if not exists live (
  key blob primary key, purpose integer not null, endpoint text not null,
  at real not null, sends integer not null
);
create table if not exists again (purpose integer primary key, sends integer not null);
create table if not exists event (
  seq integer primary key, at real not null, shard integer, kind text not null, detail text not null
);
"""
