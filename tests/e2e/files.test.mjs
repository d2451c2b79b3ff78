// Uploads, their bodies written to the disk by nginx and renamed by a worker.

import { uploadSuite } from "../harness/uploads.mjs";

await uploadSuite("file");
