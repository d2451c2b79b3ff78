# man: the manual pages of the programs.
dist_man_MANS += man/craft-cloud.1 man/craft-fcgi.8 man/craft-sandboxd.8 man/craft-ws-bridge.8
