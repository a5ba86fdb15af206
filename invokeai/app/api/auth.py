"""Who is asking. A single-user studio answers every request as the user `system`."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends

from invokeai.app.services.shared.errors import Forbidden

SYSTEM_USER_ID = "system"


@dataclass(frozen=True, slots=True)
class CurrentUser:
    """The user behind a request."""

    user_id: str = SYSTEM_USER_ID
    is_admin: bool = True


_SYSTEM = CurrentUser()


async def current_user() -> CurrentUser:
    """The single user."""
    return _SYSTEM


CurrentUserDep = Annotated[CurrentUser, Depends(current_user)]


async def admin(user: CurrentUserDep) -> CurrentUser:
    """The user, who must be an administrator. Raises Forbidden."""
    if not user.is_admin:
        raise Forbidden("Only an administrator may do this.")
    return user


AdminDep = Annotated[CurrentUser, Depends(admin)]
