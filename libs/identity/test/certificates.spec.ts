import { X509Certificate } from 'node:crypto';
import { mkdtemp, readFile, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { certificateNames, ensureCertificates, keyFiles } from '@cogmesh/identity';

const dayMs = 86_400_000;

describe('certificates of a data directory', () => {
  let dir: string;
  const read = async (name: string) => new X509Certificate(await readFile(keyFiles.certificate(dir, name)));

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'cogmesh-certificates-'));
    expect(await ensureCertificates(dir, { names: ['agent-7'] })).toEqual([...certificateNames, 'agent-7']);
  });

  it('are given by one authority, name one service each, and are for nothing else', async () => {
    const ca = await read('ca');
    expect(ca.ca).toBe(true);
    for (const name of certificateNames) {
      const certificate = await read(name);
      expect(certificate.checkIssued(ca) && certificate.verify(ca.publicKey), name).toBe(true);
      expect(certificate.ca).toBe(false);
      const names = name.endsWith('-sidecar') ? `DNS:sidecar, DNS:${name}` : `DNS:${name}`;
      expect(certificate.subjectAltName).toBe(names);
    }
  });

  it('have keys that nobody else reads', async () => {
    for (const name of ['ca', ...certificateNames])
      expect((await stat(keyFiles.certificateKey(dir, name))).mode & 0o777).toBe(0o600);
  });

  it('stay until a third of their time is left, and are then made anew by the same authority', async () => {
    const [ca, before] = [(await read('ca')).fingerprint256, (await read('policy')).fingerprint256];
    expect(await ensureCertificates(dir, { now: () => Date.now() + 59 * dayMs })).toEqual([]);
    expect(await ensureCertificates(dir, { now: () => Date.now() + 61 * dayMs })).toEqual(certificateNames);
    expect((await read('policy')).fingerprint256).not.toBe(before);
    expect((await read('ca')).fingerprint256).toBe(ca);
  });

  it('are all made anew when that is wanted', async () => {
    expect(await ensureCertificates(dir, { renew: true })).toEqual(certificateNames);
  });

  it.each(['../root', 'ca', 'sidecar', 'worker2-sidecar', 'Agent', ''])(
    'cannot be asked for under the name "%s"',
    async (name) => {
      const ca = (await read('ca')).fingerprint256;
      await expect(ensureCertificates(dir, { names: [name], renew: true })).rejects.toThrow('not a name');
      expect((await read('ca')).fingerprint256).toBe(ca);
    },
  );

  it.each([0, -1, 1.5, Number.NaN, 4_000])('are not made for %s days', async (days) => {
    await expect(ensureCertificates(dir, { days })).rejects.toThrow('whole days');
  });
});
