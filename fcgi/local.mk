# fcgi: see the top Makefile.am
