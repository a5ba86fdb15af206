"""Names of generated pictures: the same again when the same work is done again, so that nothing is stored twice."""

import uuid

IMAGE_NAMESPACE = uuid.UUID("5b0e2d43-6a35-5b3c-9d0a-0f6f9c2f7c11")


def generated_name(session_id: str, node_id: str, index: int) -> str:
    """The name of a node's picture, counted from 0 over all of its calls."""
    return f"{uuid.uuid5(IMAGE_NAMESPACE, f'{session_id}:{node_id}:{index}')}.png"
