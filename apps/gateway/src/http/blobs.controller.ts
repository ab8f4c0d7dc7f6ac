import { Body, Controller, Delete, Get, Headers, HttpCode, Inject, Param, Post, Res, UseGuards } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import type { Operations } from '../operations/operations.js';
import { AuthenticationGuard } from './authentication.guard.js';
import { BodyPipe, tooLarge, type BodyReader } from './body.js';
import { Caller, type HttpCaller } from './caller.js';
import { HTTP_SETTINGS, OPERATIONS, type HttpSettings } from './tokens.js';
import { blobView } from './views.js';

/** Large payloads, streamed both ways. */
@Controller('v1/blobs')
@UseGuards(AuthenticationGuard)
export class BlobsController {
  constructor(
    @Inject(OPERATIONS) private readonly operations: Operations,
    @Inject(HTTP_SETTINGS) private readonly settings: HttpSettings,
  ) {}

  @Post()
  @HttpCode(201)
  async upload(
    @Caller() caller: HttpCaller,
    @Headers() headers: Readonly<Record<string, string | undefined>>,
    @Body(BodyPipe) body: BodyReader,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    // The announced size is checked first so that an honest client is told before it sends.
    if (Number(headers['content-length'] ?? 0) > this.settings.blobBytes) throw tooLarge(this.settings.blobBytes);
    const record = await this.operations.putBlob(
      caller.ask({ mediaType: headers['content-type'] ?? '', content: body.content }),
    );
    reply.header('location', `/v1/blobs/${record.id}`);
    return blobView(record);
  }

  @Get(':id')
  async download(
    @Caller() caller: HttpCaller,
    @Param('id') blobId: string,
    @Headers('if-none-match') known: string | undefined,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const { record, open } = await this.operations.getBlob(caller.ask({ blobId }));
    const etag = `"sha256-${record.sha256}"`;
    reply.header('etag', etag).header('cache-control', 'private, no-cache');
    if (known?.split(',').some((tag) => tag.trim() === etag) === true) return void reply.status(304).send();
    const content = await open();
    // What somebody uploaded must never run as a page of this origin.
    reply
      .header('content-length', record.bytes)
      .header('x-content-type-options', 'nosniff')
      .header('content-security-policy', "sandbox; default-src 'none'")
      .header('content-disposition', `attachment; filename="${record.id}"`);
    await reply.type(record.mediaType).send(content);
  }

  @Delete(':id')
  @HttpCode(204)
  async remove(@Caller() caller: HttpCaller, @Param('id') blobId: string): Promise<void> {
    await this.operations.deleteBlob(caller.ask({ blobId }));
  }
}
