from dataclasses import replace

from tests.app.services.image_providers.provider_cases import parasail

CASE = replace(
    parasail.CASE,
    transport="batches",
    mode="img2img",
    free_requests_first=1,
    lost_answer_is_found=True,
    takes_back=True,
    sizes={"my-org/flux": (64, 48)},
)
