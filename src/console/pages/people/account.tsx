/** Stub. */
export default function Account() {
  return null;
}
