// proxy.mjs: a forward proxy on loopback that knows CONNECT only and may want a password.
//
//   const proxy = await startProxy({ user: "me", password: "p@ss:word" });
//   env: OUTGOING_PROXY=proxy.url
//   proxy.connects;      // ["github.com:443", …]: where tunnels led, with a good password
//   proxy.refused;       // how many came without one

import http from "node:http";
import net from "node:net";

export async function startProxy({ user = null, password = "" } = {}) {
	const proxy = { connects: [], others: 0, refused: 0, wanted: user === null ? null : `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`, status: null };
	const sockets = new Set();
	// Anything but CONNECT would show the proxy what is in a request.
	const server = http.createServer((request, response) => {
		proxy.others++;
		response.writeHead(405).end();
	});
	server.on("connect", (request, client, head) => {
		client.on("error", () => {});
		if (proxy.wanted && request.headers["proxy-authorization"] !== proxy.wanted) {
			proxy.refused++;
			client.end("HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
			return;
		}
		if (proxy.status) {
			client.end(`HTTP/1.1 ${proxy.status} No\r\nContent-Length: 0\r\n\r\n`);
			return;
		}
		proxy.connects.push(request.url);
		const { hostname, port } = new URL(`http://${request.url}`);
		const upstream = net.connect(Number(port), hostname.replace(/^\[|\]$/g, ""), () => {
			client.write("HTTP/1.1 200 Connection established\r\n\r\n");
			upstream.write(head);
			upstream.pipe(client).pipe(upstream);
		});
		sockets.add(upstream);
		upstream.on("error", () => client.destroy()).on("close", () => { sockets.delete(upstream); client.destroy(); });
		client.on("close", () => upstream.destroy());
	});
	server.on("connection", (socket) => {
		sockets.add(socket);
		socket.on("close", () => sockets.delete(socket));
	});
	await new Promise((resolve, reject) => server.on("error", reject).listen(0, "127.0.0.1", resolve));
	const { port } = server.address();
	proxy.port = port;
	const who = user === null ? "" : `${encodeURIComponent(user)}:${encodeURIComponent(password)}@`;
	proxy.url = `http://${who}127.0.0.1:${port}`;
	proxy.stop = () => {
		for (const socket of sockets) socket.destroy();
		return new Promise((resolve) => server.close(resolve));
	};
	return proxy;
}
