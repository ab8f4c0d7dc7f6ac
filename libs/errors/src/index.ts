export { errorClasses, errorCodeOfGrpcStatus, GrpcStatus, isErrorCode, type ErrorCode } from './codes.js';
export { CogmeshError, toCogmeshError, type ErrorDetails, type Issue } from './cogmesh-error.js';
export { problemMediaType, toProblem, type Problem } from './problem.js';
