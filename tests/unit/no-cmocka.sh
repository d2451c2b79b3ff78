#!/bin/sh
# no-cmocka.sh: what `make check` runs instead of the unit tests when configure found no cmocka.
echo "1..0 # SKIP cmocka is missing: apt-get install libcmocka-dev"
