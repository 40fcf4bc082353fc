/** Style sheets are taken by the bundler and export nothing. */
declare module "*.css";
