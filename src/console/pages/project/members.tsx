/** Stub. */
export default function Members(_props: { readonly project: string }) {
  return null;
}
