/**
 * A load over HTTP/1.1 that costs its own process little: requests are bytes made beforehand, answers are counted by their
 * length alone. One request at a time on each connection.
 */
import { connect } from 'node:net';

const HEADERS_END = Buffer.from('\r\n\r\n');

/** The bytes of a POST of JSON. */
export function postOf({ path, headers = {}, body }) {
  const text = JSON.stringify(body);
  const lines = Object.entries({ host: 'localhost', 'content-type': 'application/json', ...headers });
  const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  return Buffer.from(`POST ${path} HTTP/1.1\r\n${head}content-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`);
}

/** The bytes of a GET. */
export function getOf({ path, headers = {} }) {
  const lines = Object.entries({ host: 'localhost', ...headers });
  const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  return Buffer.from(`GET ${path} HTTP/1.1\r\n${head}\r\n`);
}

class Connection {
  #socket;
  #received = Buffer.alloc(0);
  #waiting;

  static open(port) {
    return new Promise((resolve, reject) => {
      const socket = connect(port, '127.0.0.1', () => resolve(new Connection(socket)));
      socket.setNoDelay(true).once('error', reject);
    });
  }

  constructor(socket) {
    this.#socket = socket;
    socket.on('data', (chunk) => this.#take(chunk));
    socket.on('close', () => this.#waiting?.reject(new Error('the server closed the connection')));
    socket.on('error', (error) => this.#waiting?.reject(error));
  }

  /** The body's bytes; rejects for a status other than 200. */
  ask(request) {
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#socket.write(request);
    });
  }

  close() {
    this.#waiting = undefined;
    this.#socket.destroy();
  }

  #take(chunk) {
    this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk]);
    const end = this.#received.indexOf(HEADERS_END);
    if (end === -1) return;
    const head = this.#received.toString('latin1', 0, end);
    const length = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1]);
    const [from, status] = [end + HEADERS_END.length, head.slice(9, 12)];
    if (Number.isNaN(length)) return this.#waiting?.reject(new Error(`an answer without length: ${head}`));
    if (this.#received.length < from + length) return;
    const body = this.#received.subarray(from, from + length);
    this.#received = this.#received.subarray(from + length);
    const { resolve, reject } = this.#waiting;
    if (status === '200') resolve(body);
    else reject(new Error(`HTTP ${status}: ${body.toString().slice(0, 300)}`));
  }
}

/** `requestOf(i)` gives bytes; answers requests per second and latencies in milliseconds. `check` sees each first answer. */
export async function load({ port, requestOf, connections, ms, check }) {
  const open = await Promise.all(Array.from({ length: connections }, () => Connection.open(port)));
  const latencies = [];
  const startedAt = performance.now();
  let next = 0;
  const work = async (connection) => {
    for (let round = 0; performance.now() - startedAt < ms; round++) {
      const at = performance.now();
      const body = await connection.ask(requestOf((next += 1)));
      latencies.push(performance.now() - at);
      if (round === 0) check?.(JSON.parse(body.toString()));
    }
  };
  try {
    await Promise.all(open.map(work));
  } finally {
    for (const connection of open) connection.close();
  }
  const seconds = (performance.now() - startedAt) / 1_000;
  latencies.sort((a, b) => a - b);
  const at = (part) => latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * part))];
  return { answered: latencies.length, perSecond: latencies.length / seconds, p50: at(0.5), p99: at(0.99) };
}
