/**
 * Renders the demo's invoice: `invoice.png` (1200 x 920) and its ground truth `invoice.txt`, one printed line per line.
 * Needs the fonts DejaVu (fonts-dejavu-core) and Noto Sans CJK SC (fonts-noto-cjk); the results are committed, so that
 * nothing else needs them. Run: node deploy/demo/render-invoice.mjs
 */
import { writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';

/** The worker's own copy, so that this script adds no dependency. */
const sharp = createRequire(new URL('../../apps/worker/package.json', import.meta.url))('sharp');

const width = 1200;
const height = 920;
const sans = 'DejaVu Sans';
const serif = 'DejaVu Serif';
const chinese = 'Noto Sans CJK SC';

/** Every printed line: left edge, baseline, text size, font, text. */
const lines = [
  [60, 80, 40, serif, 'Northwind Robotics Ltd.'],
  [60, 120, 22, sans, '48 Harbour Street, Rotterdam'],
  [60, 152, 22, sans, 'VAT NL 8612.40.775.B01'],
  [820, 80, 38, serif, 'INVOICE'],
  [820, 120, 22, sans, 'No: CM-2026-00417'],
  [820, 152, 22, sans, 'Date: 24 November 2026'],
  [820, 184, 22, sans, 'Due: 24 December 2026'],
  [60, 218, 26, chinese, '购买方：海河智能科技有限公司'],
  [60, 258, 22, chinese, '地址：天津市滨海新区第三大街'],
  [60, 296, 22, chinese, '纳税人识别号：91120116MA05'],
  [820, 258, 22, chinese, '开户行：中国建设银行'],
  [820, 296, 22, chinese, '发票类型：增值税专用发票'],
  [60, 366, 22, sans, 'Item'],
  [520, 366, 22, sans, 'Quantity'],
  [720, 366, 22, sans, 'Unit price'],
  [960, 366, 22, sans, 'Amount'],
  [60, 420, 22, sans, 'Servo motor SM-204'],
  [540, 420, 22, sans, '12'],
  [720, 420, 22, sans, '145.00'],
  [960, 420, 22, sans, '1,740.00'],
  [60, 470, 22, chinese, '激光雷达传感器'],
  [540, 470, 22, sans, '36'],
  [720, 470, 22, sans, '318.50'],
  [960, 470, 22, sans, '11,466.00'],
  [60, 520, 22, sans, 'Torque sensor TS-40'],
  [540, 520, 22, sans, '25'],
  [720, 520, 22, sans, '89.90'],
  [960, 520, 22, sans, '2,247.50'],
  [720, 590, 22, sans, 'Subtotal'],
  [960, 590, 22, sans, '15,453.50'],
  [720, 634, 22, chinese, '税额（21%）'],
  [960, 634, 22, sans, '3,245.24'],
  [720, 690, 28, serif, 'Total EUR'],
  [960, 690, 28, serif, '18,698.74'],
  [60, 760, 22, sans, 'Please pay within 30 days to IBAN NL91 ABNA 0417 1643 00'],
  [60, 806, 22, chinese, '请在三十天内付款，谢谢您的合作'],
  [60, 866, 18, serif, 'Northwind Robotics is registered at the Chamber of Commerce under 24 417 900'],
];

const escape = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');

const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">
  <rect width="100%" height="100%" fill="#fffdf8"/>
  <rect x="40" y="330" width="1120" height="52" fill="#eef2f6"/>
  <path d="M40 382H1160M40 545H1160M700 650H1160" stroke="#7a8794" stroke-width="2"/>
  ${lines.map(([x, y, size, font, text]) => `<text x="${x}" y="${y}" font-size="${size}" font-family="${font}" fill="#1b2430">${escape(text)}</text>`).join('\n  ')}
</svg>`;

const here = new URL('.', import.meta.url);
await sharp(Buffer.from(svg))
  .png({ compressionLevel: 9, palette: true, colours: 32 })
  .toFile(new URL('invoice.png', here).pathname);
await writeFile(new URL('invoice.txt', here), `${lines.map(([, , , , text]) => text).join('\n')}\n`);
