"""An airline's reservations, with the tools of τ²-bench's airline domain: their names, arguments and types.

What a schema can say is said here: it is checked before any rule.
"""

from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypedDict

Cabin = Literal["basic_economy", "economy", "business"]
Flights = list["Flight"]


class Flight(TypedDict):
    """One flight of a reservation."""

    flight_number: str
    date: str


class Passenger(TypedDict):
    """Who flies."""

    first_name: str
    last_name: str
    dob: str


class Payment(TypedDict):
    """What is paid, in dollars, with a method of the user's profile."""

    payment_id: str
    amount: int


Passengers = Annotated[list[Passenger], Field(min_length=1, max_length=5)]
Payments = Annotated[list[Payment], Field(max_length=5)]
Bags = Annotated[int, Field(ge=0)]


def service(airline, settings):
    """What `services.toml` names. The airline's API has a route for each tool."""

    async def asked(http, tool, **arguments):
        return (await http.post(tool, json=arguments)).text

    @airline.tool
    async def get_user_details(http, user_id: str):
        """The profile of a user, with their payment methods and reservations."""
        return await asked(http, "get_user_details", user_id=user_id)

    @airline.tool
    async def get_reservation_details(http, reservation_id: str):
        """A reservation of the user."""
        return await asked(http, "get_reservation_details", reservation_id=reservation_id)

    @airline.tool
    async def get_flight_status(http, flight_number: str, date: str):
        """Whether a flight is available, delayed, cancelled, or has left."""
        return await asked(http, "get_flight_status", flight_number=flight_number, date=date)

    @airline.tool
    async def list_all_airports(http):
        """The airports, with their cities."""
        return await asked(http, "list_all_airports")

    @airline.tool
    async def search_direct_flight(http, origin: str, destination: str, date: str):
        """Direct flights of a day."""
        return await asked(http, "search_direct_flight", origin=origin, destination=destination, date=date)

    @airline.tool
    async def search_onestop_flight(http, origin: str, destination: str, date: str):
        """Flights of a day with one stop."""
        return await asked(http, "search_onestop_flight", origin=origin, destination=destination, date=date)

    @airline.tool
    async def calculate(http, expression: str):
        """The value of a sum, a difference, a product or a quotient."""
        return await asked(http, "calculate", expression=expression)

    @airline.tool
    async def transfer_to_human_agents(http, summary: str):
        """Hands the conversation over to a person."""
        return await asked(http, "transfer_to_human_agents", summary=summary)

    @airline.tool
    async def book_reservation(
        http,
        user_id: str,
        origin: str,
        destination: str,
        flight_type: Literal["one_way", "round_trip"],
        cabin: Cabin,
        flights: Flights,
        passengers: Passengers,
        payment_methods: Payments,
        total_baggages: Bags,
        nonfree_baggages: Bags,
        insurance: Literal["yes", "no"],
    ):
        """Books flights, all in one cabin."""
        return await asked(
            http,
            "book_reservation",
            user_id=user_id,
            origin=origin,
            destination=destination,
            flight_type=flight_type,
            cabin=cabin,
            flights=flights,
            passengers=passengers,
            payment_methods=payment_methods,
            total_baggages=total_baggages,
            nonfree_baggages=nonfree_baggages,
            insurance=insurance,
        )

    @airline.tool
    async def update_reservation_flights(
        http, reservation_id: str, cabin: Cabin, flights: Flights, payment_id: str
    ):
        """Changes the flights or the cabin of a reservation."""
        return await asked(
            http,
            "update_reservation_flights",
            reservation_id=reservation_id,
            cabin=cabin,
            flights=flights,
            payment_id=payment_id,
        )

    @airline.tool
    async def update_reservation_baggages(
        http, reservation_id: str, total_baggages: Bags, nonfree_baggages: Bags, payment_id: str
    ):
        """Sets the number of bags of a reservation."""
        return await asked(
            http,
            "update_reservation_baggages",
            reservation_id=reservation_id,
            total_baggages=total_baggages,
            nonfree_baggages=nonfree_baggages,
            payment_id=payment_id,
        )

    @airline.tool
    async def update_reservation_passengers(http, reservation_id: str, passengers: Passengers):
        """Sets who flies."""
        return await asked(
            http, "update_reservation_passengers", reservation_id=reservation_id, passengers=passengers
        )

    @airline.tool
    async def cancel_reservation(http, reservation_id: str):
        """Cancels a reservation, and refunds it."""
        return await asked(http, "cancel_reservation", reservation_id=reservation_id)

    @airline.tool
    async def send_certificate(http, user_id: str, amount: int):
        """Sends the user a certificate of some dollars."""
        return await asked(http, "send_certificate", user_id=user_id, amount=amount)
