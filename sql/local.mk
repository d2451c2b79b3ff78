# The schema's files, which craft-cloud migrate reads. Listed one by one: a stray file may not be installed.
sqldir = $(pkgdatadir)/sql
sqlmigrationsdir = $(sqldir)/migrations
sqlapidir = $(sqldir)/api
sqlreportdir = $(sqldir)/report
dist_sql_DATA = sql/roles.sql sql/grants.sql
dist_sqlmigrations_DATA = \
	sql/migrations/0001_sync.sql \
	sql/migrations/0002_projects.sql \
	sql/migrations/0003_files.sql \
	sql/migrations/0004_oauth.sql \
	sql/migrations/0005_sandboxes.sql \
	sql/migrations/0006_api_keys.sql \
	sql/migrations/0007_request_ids.sql \
	sql/migrations/0008_bounds.sql \
	sql/migrations/0009_github.sql \
	sql/migrations/0010_kinds.sql
dist_sqlapi_DATA = \
	sql/api/00_change.sql \
	sql/api/10_sessions.sql \
	sql/api/15_session_batch.sql \
	sql/api/20_documents.sql \
	sql/api/30_changes.sql \
	sql/api/40_reads.sql \
	sql/api/50_projects.sql \
	sql/api/55_credentials.sql \
	sql/api/57_keys.sql \
	sql/api/60_admin.sql \
	sql/api/65_workspace_move.sql \
	sql/api/70_files.sql \
	sql/api/80_sandboxes.sql \
	sql/api/85_sandbox_hosts.sql \
	sql/api/90_sandbox_sweep.sql
dist_sqlreport_DATA = \
	sql/report/10_workspaces.sql \
	sql/report/20_documents.sql \
	sql/report/30_projects.sql \
	sql/report/40_files.sql \
	sql/report/50_sandboxes.sql \
	sql/report/60_keys.sql
