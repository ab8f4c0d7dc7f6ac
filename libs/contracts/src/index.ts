/** Everything generated from `proto/`, one namespace per package and version. No logic. */
export * as commonV1 from './gen/cogmesh/common/v1/common_pb.js';
export * as eventsV1 from './gen/cogmesh/events/v1/events_pb.js';
export * as gatewayV1 from './gen/cogmesh/gateway/v1/gateway_pb.js';
export * as inferenceV1 from './gen/cogmesh/inference/v1/inference_pb.js';
export * as workV1 from './gen/cogmesh/inference/v1/work_pb.js';
export * as policyV1 from './gen/cogmesh/policy/v1/policy_pb.js';
export * as policyGrantsV1 from './gen/cogmesh/policy/v1/grants_pb.js';
export * as policyIssuersV1 from './gen/cogmesh/policy/v1/issuers_pb.js';
export * as policyAuditV1 from './gen/cogmesh/policy/v1/audit_pb.js';
export * as policyVersionsV1 from './gen/cogmesh/policy/v1/versions_pb.js';
export * as policySearchV1 from './gen/cogmesh/policy/v1/search_pb.js';
export * as revocationV1 from './gen/cogmesh/policy/v1/revocation_pb.js';
export * as registryV1 from './gen/cogmesh/registry/v1/registry_pb.js';
export * as schedulerV1 from './gen/cogmesh/scheduler/v1/scheduler_pb.js';
export * as healthV1 from './gen/grpc/health/v1/health_pb.js';
export * as reflectionV1 from './gen/grpc/reflection/v1/reflection_pb.js';
