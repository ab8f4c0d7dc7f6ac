export { createClient, DEFAULT_UNARY_DEADLINE_MS, openChannel } from './client.js';
export { type Channel, type ChannelOptions } from './grpc-channel.js';
export { errorStatus, errorTrailer, fromServiceError } from './errors.js';
export { Outgoing } from './outgoing.js';
export { assertPublicHost, isPublicAddress, publicLookup } from './public-address.js';
export {
  DEFAULT_MAX_MESSAGE_BYTES,
  implement,
  serveRpc,
  type RpcServer,
  type RpcServerOptions,
  type ServiceBinding,
} from './server.js';
export {
  peerOf,
  sidecarName,
  TransportSecurity,
  type Peer,
  type TransportSecurityOptions,
} from './transport-security.js';
export type {
  Access,
  Informed,
  Actor,
  Authenticate,
  Caller,
  CallContext,
  CallOptions,
  Client,
  FollowCall,
  OutsideSubject,
  ServiceImplementation,
} from './types.js';
