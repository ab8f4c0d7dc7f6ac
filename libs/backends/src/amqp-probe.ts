import { connect } from 'node:net';

const protocolHeader = Buffer.from('AMQP\0\0\u0009\u0001', 'latin1');
const probeTimeoutMs = 1000;

/** Whether an AMQP 0-9-1 server answers here: it greets with connection.start, the first method frame. */
export function answersAmqp(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port }, () => socket.write(protocolHeader));
    const answer = (greeted: boolean) => {
      socket.destroy();
      resolve(greeted);
    };
    socket.setTimeout(probeTimeoutMs, () => answer(false));
    socket.once('error', () => answer(false)).once('close', () => answer(false));
    socket.once('data', (frame) => answer(frame[0] === 1));
  });
}
