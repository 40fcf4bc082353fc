/** What is wrong with the name of a bucket, or undefined. */
export function bucketNameFault(bucket: string): string | undefined {
  return /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(bucket) && !bucket.includes("..")
    ? undefined
    : "must be 3 to 63 small letters, digits, '.' or '-', as buckets are named";
}
