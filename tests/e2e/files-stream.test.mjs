// Uploads, their bodies streamed to a worker, which runs as another user than nginx when root starts it.

import { uploadSuite } from "../harness/uploads.mjs";

await uploadSuite("stream");
