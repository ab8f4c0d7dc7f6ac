import { describe, expect, it } from 'vitest';
import { decisionPointUrl, metadataFor } from './metadata.js';

const local = { url: '', loopback: true, scheme: 'http' } as const;

describe('the discovery document', () => {
  it('names what is configured, whatever the request says', () => {
    const rules = { ...local, url: 'https://pdp.example/base' };
    const document = metadataFor(rules, 'evil.example', 'acme');
    expect(document.policy_decision_point).toBe('https://pdp.example/base/acme');
    expect(document.access_evaluation_endpoint).toBe('https://pdp.example/base/access/v1/evaluation');
  });

  it('is that of a configured URL with a path where the path is asked for, not of a tenant of it', () => {
    const rules = { ...local, url: 'https://pdp.example/base' };
    expect(metadataFor(rules, undefined, 'base').policy_decision_point).toBe('https://pdp.example/base');
    expect(metadataFor(rules, undefined, 'base').access_evaluation_endpoint).toBe(
      'https://pdp.example/base/access/v1/evaluation',
    );
  });

  it.each(['127.0.0.1:7000', 'localhost:7000', '[::1]:7000', '127.0.0.1'])('takes %s from the request', (host) => {
    expect(metadataFor(local, host).policy_decision_point).toBe(`http://${host}`);
  });

  it.each(['evil.example', '127.0.0.1.evil.example', 'localhost@evil.example', '', undefined])(
    'takes no %s',
    (host) => {
      expect(() => metadataFor(local, host)).toThrow('COGMESH_AUTHZEN_URL');
    },
  );

  it('takes nothing from a request that came from elsewhere', () => {
    expect(() => metadataFor({ ...local, loopback: false }, '127.0.0.1:7000')).toThrow('COGMESH_AUTHZEN_URL');
  });

  it.each(['..', 'a/b', '', 'a b', '-a'])('knows no tenant "%s"', (tenant) => {
    expect(() => metadataFor(local, 'localhost', tenant)).toThrow('no decision point');
  });
});

describe('a configured URL', () => {
  it('loses the slash at its end', () => {
    expect(decisionPointUrl('https://pdp.example/')).toBe('https://pdp.example');
    expect(decisionPointUrl('http://127.0.0.1:7000')).toBe('http://127.0.0.1:7000');
    expect(decisionPointUrl('')).toBe('');
  });

  it.each([
    'pdp.example',
    'http://pdp.example',
    'https://pdp.example/?a',
    'https://pdp.example/#',
    'https://u@pdp.example',
    'ftp://x',
  ])('is not %s', (text) => expect(() => decisionPointUrl(text)).toThrow('COGMESH_AUTHZEN_URL'));
});
