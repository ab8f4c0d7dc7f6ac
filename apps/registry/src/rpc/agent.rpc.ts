import { registryV1 } from '@cogmesh/contracts';
import { implement } from '@cogmesh/rpc';
import type { AgentStreams } from '../streams/agent-streams.js';

/** The one stream every agent keeps open. Anonymous at the transport: Hello carries the token. */
export const agentRpc = (streams: AgentStreams) =>
  implement(registryV1.AgentService, {
    connect: (requests, { signal }) => streams.connect(requests, signal),
  });
