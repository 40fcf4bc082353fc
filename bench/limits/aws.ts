/** SQS and S3 as the double of the tests plays them, with their published limits. Prints its port. */
import { startAwsDouble } from "../../test/support/aws/double.ts";
import { createBuckets } from "../../test/support/aws/s3.ts";
import { createQueues } from "../../test/support/aws/sqs.ts";

const queues = createQueues(["bench"]);
const buckets = createBuckets(["bench"]);
const double = await startAwsDouble(queues.actions, buckets.fallback);
// What has arrived is of no more interest.
setInterval(() => {
  queues.queue("bench").messages.length = 0;
  buckets.bucket("bench").objects.clear();
}, 1_000).unref();
process.stdout.write(`${new URL(double.url).port}\n`);
