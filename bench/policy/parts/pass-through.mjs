/** A reverse proxy on Node's HTTP/2 streams that checks nothing: what being in the way costs by itself. */
import { connect, createServer } from 'node:http2';
import { options, ready } from './child.mjs';

const upstream = connect(`http://${options().upstream}`);
const server = createServer();
server.on('stream', (inbound, headers) => {
  const outbound = upstream.request(headers);
  let trailers = {};
  outbound.on('response', (answer) => inbound.respond(plain(answer), { waitForTrailers: true }));
  outbound.on('trailers', (received) => {
    trailers = plain(received);
  });
  inbound.on('wantTrailers', () => inbound.sendTrailers(trailers));
  inbound.on('error', () => {});
  outbound.on('error', () => {});
  inbound.pipe(outbound);
  outbound.pipe(inbound);
});

const plain = (headers) => Object.fromEntries(Object.entries(headers));

server.listen(0, '127.0.0.1', () => ready(`127.0.0.1:${server.address().port}`));
