/** The generated services and messages, for use with any Connect transport, in Node and browsers. */
export * from "#gen/tributary/management/v1/access_service_pb.js";
export * from "#gen/tributary/management/v1/application_pb.js";
export * from "#gen/tributary/management/v1/application_service_pb.js";
export * from "#gen/tributary/management/v1/grant_pb.js";
export * from "#gen/tributary/management/v1/project_pb.js";
export * from "#gen/tributary/management/v1/project_service_pb.js";
export * from "#gen/tributary/management/v1/sink_pb.js";
export * from "#gen/tributary/management/v1/sink_service_pb.js";
export * from "#gen/tributary/management/v1/stream_pb.js";
export * from "#gen/tributary/management/v1/stream_service_pb.js";
export * from "#gen/tributary/oauth2/v1/oauth2_service_pb.js";
export * from "#gen/tributary/push/v1/push_pb.js";
export * from "#gen/tributary/push/v1/push_service_pb.js";
export * from "#gen/tributary/records/v1/record_pb.js";
export * from "#gen/tributary/records/v1/record_service_pb.js";
