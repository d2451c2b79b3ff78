-- Which request asked for a sandbox, and for each of its jobs: the id under which all logs have it.

alter table app.sandbox_session add request_id text check (request_id ~ '^[0-9A-Za-z_.-]{1,128}$');
comment on column app.sandbox_session.request_id is 'Id that nginx gave the request that asked for it, as in the logs of all that touched it; null: not known.';

alter table app.sandbox_job add request_id text check (request_id ~ '^[0-9A-Za-z_.-]{1,128}$');
comment on column app.sandbox_job.request_id is 'Id that nginx gave the WebSocket''s upgrade by which it came, as in the logs of all that touched it; null: not known.';
