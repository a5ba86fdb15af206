"""Accounts. A single-user studio says so; what only makes sense with several users is refused with a sentence."""

from datetime import datetime
from typing import Annotated, NoReturn

from fastapi import APIRouter, Body, HTTPException, Path
from pydantic import BaseModel, Field

from invokeai.app.services.shared.errors import Forbidden

auth_router = APIRouter(prefix="/v1/auth", tags=["authentication"])

UserId = Annotated[str, Path(description="Id of the user.")]
Email = Annotated[str, Field(max_length=320)]
Password = Annotated[str, Field(max_length=1024)]
DisplayName = Annotated[str, Field(max_length=300)]


class SetupStatusResponse(BaseModel):
    """Which kind of studio this is."""

    setup_required: bool
    multiuser_enabled: bool
    strict_password_checking: bool
    admin_email: str | None = None


class LoginRequest(BaseModel):
    """Who wants in."""

    email: Email
    password: Password
    remember_me: bool = False


class UserDTO(BaseModel):
    """A user."""

    user_id: str
    email: str
    display_name: str | None = None
    is_admin: bool = False
    is_active: bool = True
    created_at: datetime
    updated_at: datetime
    last_login_at: datetime | None = None
    token_epoch: int = 0


class LoginResponse(BaseModel):
    """A session; it ends after `expires_in` seconds."""

    token: str
    user: UserDTO
    expires_in: int


class LogoutResponse(BaseModel):
    """The session is over."""

    success: bool


class MediaCookieResponse(BaseModel):
    """The cookie for pictures is set, or not needed."""

    success: bool


class SetupRequest(BaseModel):
    """The first administrator."""

    email: Email
    display_name: DisplayName | None = None
    password: Password


class SetupResponse(BaseModel):
    """The first administrator exists."""

    success: bool
    user: UserDTO


class UserProfileUpdateRequest(BaseModel):
    """Changes to one's own account."""

    display_name: DisplayName | None = None
    current_password: Password | None = None
    new_password: Password | None = None


class GeneratePasswordResponse(BaseModel):
    """A password nobody used before."""

    password: str


class AdminUserCreateRequest(BaseModel):
    """A new account."""

    email: Email
    display_name: DisplayName | None = None
    password: Password
    is_admin: bool = False


class AdminUserUpdateRequest(BaseModel):
    """Changes to an account."""

    display_name: DisplayName | None = None
    password: Password | None = None
    is_admin: bool | None = None
    is_active: bool | None = None


@auth_router.get("/status")
async def get_setup_status() -> SetupStatusResponse:
    """One user, no login."""
    return SetupStatusResponse(setup_required=False, multiuser_enabled=False, strict_password_checking=False)


@auth_router.post("/login")
async def login(body: Annotated[LoginRequest, Body(description="Credentials.")]) -> LoginResponse:
    """Refused: nobody has to log in here."""
    raise Forbidden("This studio has a single user; there is nothing to log in to.")


@auth_router.post("/logout")
async def logout() -> LogoutResponse:
    """Nothing to end."""
    return LogoutResponse(success=True)


@auth_router.post("/media-cookie")
async def refresh_media_cookie() -> MediaCookieResponse:
    """Pictures need no cookie here."""
    return MediaCookieResponse(success=True)


@auth_router.get("/me")
async def get_current_user_info() -> UserDTO:
    """Refused: there are no sessions here."""
    _nobody_is_logged_in()


@auth_router.patch("/me")
async def update_current_user(
    body: Annotated[UserProfileUpdateRequest, Body(description="What to change.")],
) -> UserDTO:
    """Refused: there are no sessions here."""
    _nobody_is_logged_in()


@auth_router.post("/setup")
async def setup_admin(body: Annotated[SetupRequest, Body(description="The administrator.")]) -> SetupResponse:
    """Refused: there are no accounts here."""
    raise Forbidden("This studio has a single user; there are no accounts to set up.")


@auth_router.get("/generate-password")
async def generate_password() -> GeneratePasswordResponse:
    """Refused: there are no sessions here."""
    _nobody_is_logged_in()


@auth_router.get("/users")
async def list_users() -> list[UserDTO]:
    """Refused: there are no sessions here."""
    _nobody_is_logged_in()


@auth_router.post("/users", status_code=201)
async def create_user(body: Annotated[AdminUserCreateRequest, Body(description="The account.")]) -> UserDTO:
    """Refused: there are no sessions here."""
    _nobody_is_logged_in()


@auth_router.get("/users/{user_id}")
async def get_user(user_id: UserId) -> UserDTO:
    """Refused: there are no sessions here."""
    _nobody_is_logged_in()


@auth_router.patch("/users/{user_id}")
async def update_user(
    user_id: UserId, body: Annotated[AdminUserUpdateRequest, Body(description="What to change.")]
) -> UserDTO:
    """Refused: there are no sessions here."""
    _nobody_is_logged_in()


@auth_router.delete("/users/{user_id}", status_code=204)
async def delete_user(user_id: UserId) -> None:
    """Refused: there are no sessions here."""
    _nobody_is_logged_in()


def _nobody_is_logged_in() -> NoReturn:
    raise HTTPException(401, "This studio has a single user and no accounts; nobody is logged in.")
