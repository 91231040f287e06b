"""What reflection shows: the proto file, and the same without its package, as the specification writes it."""

from google.protobuf import descriptor_pb2, descriptor_pool
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from llm_incident_manager.api.grpc.generated import incident_pb2

PACKAGED = incident_pb2.DESCRIPTOR.services_by_name["IncidentService"].full_name
BARE = PACKAGED.rpartition(".")[2]
SERVICES = frozenset({PACKAGED, BARE})
"""The names that the service answers to."""
_BARE_FILE = "incident.proto"


def described() -> descriptor_pool.DescriptorPool:
    """Return every file that a client may ask for; kept apart, so that bare names collide with nobody's."""
    pool = descriptor_pool.DescriptorPool()
    for module in (incident_pb2, health_pb2, reflection_pb2):
        pool.AddSerializedFile(module.DESCRIPTOR.serialized_pb)
    pool.Add(_without_package())
    return pool


def _without_package() -> descriptor_pb2.FileDescriptorProto:
    bare = descriptor_pb2.FileDescriptorProto()
    incident_pb2.DESCRIPTOR.CopyToProto(bare)
    prefix = f".{bare.package}."
    bare.name = _BARE_FILE
    bare.ClearField("package")
    messages = list(bare.message_type)
    while messages:
        message = messages.pop()
        messages += message.nested_type
        for field in message.field:
            if field.type_name:
                field.type_name = field.type_name.replace(prefix, ".", 1)
    for method in bare.service[0].method:
        method.input_type = method.input_type.replace(prefix, ".", 1)
        method.output_type = method.output_type.replace(prefix, ".", 1)
    return bare
