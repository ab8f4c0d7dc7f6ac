import { describe, expect, it } from 'vitest';
import { forwardedHeaders, returnedHeaders } from './headers.js';

describe('headers that go on', () => {
  it('are the caller’s own, without hop-by-hop ones and those that Connection lists', () => {
    const headers = {
      ':path': '/a.B/C',
      ':method': 'POST',
      authorization: 'Bearer x',
      te: 'trailers',
      'grpc-timeout': '1S',
      'content-type': 'application/grpc',
      connection: 'keep-alive, X-Secret',
      'keep-alive': '1',
      'x-secret': 'no',
      'x-custom-bin': 'AAEC',
      traceparent: '00-1',
    };
    expect(Object.keys(forwardedHeaders(headers)).sort()).toEqual(
      [':method', ':path', 'authorization', 'content-type', 'grpc-timeout', 'te', 'traceparent', 'x-custom-bin'].sort(),
    );
  });

  it('back to the caller keep our error and the status', () => {
    expect(
      returnedHeaders({ ':status': 200, 'cogmesh-error-bin': 'e30', 'grpc-status': '3', connection: 'close' } as never),
    ).toEqual({
      ':status': 200,
      'cogmesh-error-bin': 'e30',
      'grpc-status': '3',
    });
  });
});
