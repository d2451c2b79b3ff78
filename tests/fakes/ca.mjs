// ca.mjs: a certificate authority made with openssl, and a certificate of it for the loopback names.

import { execFile } from "node:child_process";
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { promisify } from "node:util";

const CURVE = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];

// Only what openssl needs, so that the machine's own openssl.cnf plays no part.
const CONFIG = `[req]
distinguished_name = name
prompt = no
[name]
CN = A fake GitHub's authority
[ca]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical, CA:false
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = DNS:localhost, IP:127.0.0.1, IP:::1
`;

/** Makes ca.pem, server.pem and their keys in dir. Resolves to {caFile, key, cert}: a path and two texts. */
export async function makeCertificates(dir) {
	const file = (name) => path.join(dir, name);
	const openssl = (...args) => promisify(execFile)("openssl", args);
	writeFileSync(file("openssl.cnf"), CONFIG);
	await openssl("req", "-x509", "-config", file("openssl.cnf"), "-extensions", "ca", "-days", "2", ...CURVE,
		"-keyout", file("ca.key"), "-out", file("ca.pem"));
	await openssl("req", "-new", "-config", file("openssl.cnf"), "-subj", "/CN=localhost", ...CURVE,
		"-keyout", file("server.key"), "-out", file("server.csr"));
	await openssl("x509", "-req", "-in", file("server.csr"), "-CA", file("ca.pem"), "-CAkey", file("ca.key"),
		"-set_serial", "2", "-days", "2", "-extfile", file("openssl.cnf"), "-extensions", "server",
		"-out", file("server.pem"));
	chmodSync(file("ca.pem"), 0o644);
	return { caFile: file("ca.pem"), key: readFileSync(file("server.key")), cert: readFileSync(file("server.pem")) };
}
