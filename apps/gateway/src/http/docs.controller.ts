import { Controller, Get, Header } from '@nestjs/common';
import { version } from '@cogmesh/service';
import { openApiDocument } from '../openapi/document.js';
import { renderPage } from '../openapi/page.js';

const document = openApiDocument(version);
const documentJson = JSON.stringify(document);
const page = renderPage(document);

/** The API's description, for programs and for people; needs no token. */
@Controller()
export class DocsController {
  @Get('openapi.json')
  @Header('content-type', 'application/json; charset=utf-8')
  openApi() {
    return documentJson;
  }

  @Get('docs')
  @Header('content-type', 'text/html; charset=utf-8')
  @Header(
    'content-security-policy',
    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'",
  )
  docs() {
    return page;
  }
}
