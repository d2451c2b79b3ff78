// Processes that are killed, and connections that are cut, one after the other, under writers and listeners that come
// back: the oracle finds nothing wrong. The other faults are in chaos-stop, chaos-disk, chaos-clock and chaos-network.

import { Scene } from "../harness/chaos_tests.mjs";

const scene = await Scene.open({ bridges: 2 });

scene.fault("kill -9 of a bridge");
scene.fault("one of two bridges dead for a while");
scene.fault("kill -9 of all bridges");
scene.fault("kill -9 of a bridge in the middle of a commit");
scene.fault("kill -9 of all bridges in the middle of a commit");
scene.fault("kill -9 of a bridge whose backend is stopped");
scene.fault("kill -9 of a worker");
scene.fault("kill -9 of the master of craft-fcgi");
scene.fault("kill -9 of an nginx worker");
scene.fault("kill -9 of craft-sandboxd");
scene.fault("kill -9 of a PostgreSQL backend");
scene.fault("kill -9 of a backend between its commit and the answer");
scene.fault("kill -9 of the postmaster");
scene.fault("immediate stop of PostgreSQL");
scene.fault("fast stop of PostgreSQL");
scene.fault("the LISTEN connections cut");
scene.fault("all connections of the daemons cut");
scene.fault("connections cut in the middle of a commit");
scene.fault("a bridge drains and starts again");
scene.fault("craft-fcgi replaces its workers");
scene.fault("nginx reloads");
scene.fault("rolling restart of everything");
