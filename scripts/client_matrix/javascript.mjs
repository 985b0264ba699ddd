// The JavaScript SDK's steps; one per call: node javascript.mjs STEP. It sends its checksums as
// trailers of aws-chunked bodies even over plain http.
import { createReadStream, readFileSync } from "node:fs";
import {
  CopyObjectCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";

const { BUCKET: Bucket, SMALL, LARGE, KEY_ARN } = process.env;
const client = new S3Client({ endpoint: process.env.AWS_ENDPOINT_URL, forcePathStyle: true });

const bytes = async (input) => {
  const reply = await client.send(new GetObjectCommand({ Bucket, ...input }));
  return Buffer.from(await reply.Body.transformToByteArray());
};
const same = (left, right) => {
  if (!left.equals(right)) throw new Error(`${left.length} other bytes than ${right.length}`);
};
const expect = (holds, what) => {
  if (!holds) throw new Error(what);
};

const steps = {
  put: () => client.send(new PutObjectCommand({ Bucket, Key: "js/small", Body: readFileSync(SMALL) })),
  multipart: () =>
    new Upload({ client, params: { Bucket, Key: "js/large", Body: createReadStream(LARGE) } }).done(),
  get: async () => {
    same(await bytes({ Key: "js/small" }), readFileSync(SMALL));
    same(await bytes({ Key: "js/large" }), readFileSync(LARGE));
  },
  range: async () =>
    same(await bytes({ Key: "js/large", Range: "bytes=5-14" }), readFileSync(LARGE).subarray(5, 15)),
  list: async () => {
    const reply = await client.send(new ListObjectsV2Command({ Bucket, Prefix: "js/" }));
    const keys = reply.Contents.map((entry) => entry.Key).join();
    expect(keys === "js/large,js/small", keys);
  },
  copy: async () => {
    await client.send(
      new CopyObjectCommand({ Bucket, Key: "js/copy", CopySource: `${Bucket}/js/small` }),
    );
    same(await bytes({ Key: "js/copy" }), readFileSync(SMALL));
  },
  "sse-kms": async () => {
    const sse = { ServerSideEncryption: "aws:kms", SSEKMSKeyId: KEY_ARN };
    await client.send(
      new PutObjectCommand({ Bucket, Key: "js/sealed", Body: readFileSync(SMALL), ...sse }),
    );
    const head = await client.send(new HeadObjectCommand({ Bucket, Key: "js/sealed" }));
    expect(head.SSEKMSKeyId === KEY_ARN, head.SSEKMSKeyId);
    same(await bytes({ Key: "js/sealed" }), readFileSync(SMALL));
  },
  delete: () => client.send(new DeleteObjectCommand({ Bucket, Key: "js/small" })),
};

await steps[process.argv[2]]();
