"""The names of schedulers, and the node that holds one."""

from typing import Literal

from invokeai.invocation_api import (
    BaseInvocation,
    BaseInvocationOutput,
    InputField,
    InvocationContext,
    OutputField,
    UIType,
    invocation,
    invocation_output,
)

# fmt: off
SchedulerName = Literal[
    "ddim", "ddpm", "deis", "deis_k", "lms", "lms_k", "pndm", "heun", "heun_k", "euler", "euler_k", "euler_a",
    "kdpm_2", "kdpm_2_k", "kdpm_2_a", "kdpm_2_a_k", "dpmpp_2s", "dpmpp_2s_k", "dpmpp_2m", "dpmpp_2m_k",
    "dpmpp_2m_sde", "dpmpp_2m_sde_k", "dpmpp_3m", "dpmpp_3m_k", "dpmpp_sde", "dpmpp_sde_k", "er_sde", "unipc",
    "unipc_k", "lcm", "tcd",
]
# fmt: on


@invocation_output("scheduler_output")
class SchedulerOutput(BaseInvocationOutput):
    """A scheduler."""

    scheduler: SchedulerName = OutputField(description="The scheduler.", ui_type=UIType.Scheduler)


@invocation("scheduler", "Scheduler", ["scheduler"], "latents", "1.0.0")
class SchedulerInvocation(BaseInvocation):
    """A scheduler, to wire to several nodes."""

    scheduler: SchedulerName = InputField(default="euler", description="The scheduler.", ui_type=UIType.Scheduler)

    def invoke(self, context: InvocationContext) -> SchedulerOutput:
        """The scheduler."""
        return SchedulerOutput(scheduler=self.scheduler)
