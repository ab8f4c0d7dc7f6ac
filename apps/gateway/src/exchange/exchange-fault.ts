/** Error codes of RFC 6749 section 5.2, RFC 8693 section 2.2.2 and RFC 9449 section 5. */
export type ExchangeFaultCode =
  | 'invalid_request'
  | 'invalid_scope'
  | 'invalid_target'
  | 'unauthorized_client'
  | 'unsupported_grant_type'
  | 'invalid_dpop_proof';

/** What is wrong with an exchange, in OAuth's words; answered with 400. */
export class ExchangeFault extends Error {
  readonly code: ExchangeFaultCode;

  constructor(code: ExchangeFaultCode, message: string) {
    super(message);
    this.code = code;
  }
}
