-- Who may do what, in one place; applied whole after every change of functions or views.

revoke all on all functions in schema app, api, report from public;
revoke all on schema app, api, report from public;
alter default privileges for role craft_owner revoke execute on functions from public;

grant usage on schema api to craft_daemon;
grant execute on all functions in schema api to craft_daemon;

grant usage on schema report to craft_dba;
grant select on all tables in schema report to craft_dba;
